"""The station's web server: the API, the pages, and the guard before both."""

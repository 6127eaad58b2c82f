"""The station's web server: the API, the pages, and what stands before both."""

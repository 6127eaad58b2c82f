"""The routes of the API and of the pages, by subject."""

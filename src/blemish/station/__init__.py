"""The inspection station: images arrive, each gets a verdict, a heat map and a record, and a person corrects.

The way of an image: `api`, `page` or `watch` hand its bytes to `pipeline`, which decodes and scores it with
the model in `shelf` and keeps it in `files` and `store`; only then is it acknowledged. Beside it run
`retention` and whatever a person asks for in `feedback`, `threshold` and `drift`. Needs the extra serve.
"""

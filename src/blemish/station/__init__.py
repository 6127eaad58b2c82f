"""The inspection station: images arrive, each gets a verdict, a heat map and a record, and a person corrects.

The way of an image: a route of `web` or `watched_folder` hands its bytes to `pipeline`, which decodes and
scores it with the active one of `models` and keeps it in `storage`; only then is it acknowledged. `learning`
is what people ask for afterwards: threshold, calibration, drift, the next data set. Needs the extra serve.
"""

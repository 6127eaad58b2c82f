"""Fits models and measures them, once each: a configuration and a data set in, a result out."""

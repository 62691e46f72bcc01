"""Signals: detectors turn messages into findings that cite the messages they rest on."""

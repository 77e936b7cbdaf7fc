"""Trained networks on videos, pictures, cameras and streams (`kaffect predict`)."""

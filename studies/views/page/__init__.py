"""The page of a sweep: one HTML text, served or as a file of its own that needs no network."""

from studies.views.page.assets import POLICY, asset, asset_names
from studies.views.page.rendering import Surroundings, render

__all__ = ["POLICY", "Surroundings", "asset", "asset_names", "render"]

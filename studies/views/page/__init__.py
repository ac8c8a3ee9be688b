"""The page of a sweep, or of two side by side: one HTML text, served or as a file that needs no network."""

from studies.views.page.assets import POLICY, asset, asset_names
from studies.views.page.comparing import render_comparison
from studies.views.page.rendering import Surroundings, render

__all__ = ["POLICY", "Surroundings", "asset", "asset_names", "render", "render_comparison"]

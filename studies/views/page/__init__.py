"""The page of a sweep, of two side by side, or of an experiment: one HTML text, served or as one file."""

from studies.views.page.any_study import render_study
from studies.views.page.assets import POLICY, asset, asset_names
from studies.views.page.comparing import render_comparison
from studies.views.page.rendering import Surroundings, render

__all__ = ["POLICY", "Surroundings", "asset", "asset_names", "render", "render_comparison", "render_study"]

"""Figures: plain data first, then Plotly."""

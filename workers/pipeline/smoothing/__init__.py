"""The derived series: gaps filled, outliers and swapped sides flagged, smoothed without delay."""

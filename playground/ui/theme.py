"""Colours and type: warm paper or graphite, ink, and one accent; the rest of the look is `static/app.css`.

System fonts only: the app makes no request to the outside.
"""

from __future__ import annotations

import gradio as gr

_ACCENT = "fdf3ef fbe3da f7c6b5 f2a388 ec7c58 dd5730 c8421b a63514 842b13 6b2512 3c1309"
_PAPER = "fbfaf8 f5f3f0 e8e5e0 d6d2cb a8a49c 78756f 5a5853 413f3c 26282d 1c1e23 141619"
ACCENT = gr.themes.Color(*(f"#{shade}" for shade in _ACCENT.split()), name="vermilion")
PAPER = gr.themes.Color(*(f"#{shade}" for shade in _PAPER.split()), name="paper")
FONT = ("-apple-system", "Segoe UI", "Roboto", "Helvetica Neue", "Arial", "sans-serif")
MONO = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "Liberation Mono", "monospace")


def theme() -> gr.themes.Base:
    """The app's theme for light and dark."""
    base = gr.themes.Base(
        primary_hue=ACCENT,
        secondary_hue=ACCENT,
        neutral_hue=PAPER,
        font=list(FONT),
        font_mono=list(MONO),
        radius_size=gr.themes.sizes.radius_md,
        spacing_size=gr.themes.sizes.spacing_md,
        text_size=gr.themes.sizes.text_md,
    )
    return base.set(
        body_background_fill="#f7f5f2",
        body_background_fill_dark="#131518",
        body_text_color="#23252a",
        body_text_color_dark="#e9e7e3",
        body_text_color_subdued="#67645f",
        body_text_color_subdued_dark="#a3a6ac",
        background_fill_primary="#ffffff",
        background_fill_primary_dark="#1b1e22",
        background_fill_secondary="#f7f5f2",
        background_fill_secondary_dark="#16181c",
        border_color_primary="#e5e1db",
        border_color_primary_dark="#2d3137",
        block_background_fill="transparent",
        block_background_fill_dark="transparent",
        block_border_width="0px",
        block_shadow="none",
        block_padding="0px",
        block_label_background_fill="transparent",
        block_label_background_fill_dark="transparent",
        block_label_border_width="0px",
        block_title_text_weight="600",
        block_title_text_size="*text_sm",
        block_info_text_size="*text_xs",
        block_info_text_color="#6d6a65",
        block_info_text_color_dark="#9a9da4",
        input_background_fill="#ffffff",
        input_background_fill_dark="#16181c",
        input_border_color="#dcd8d1",
        input_border_color_dark="#363a41",
        input_border_color_focus="*primary_500",
        input_border_color_focus_dark="*primary_400",
        input_border_width="1px",
        input_shadow="none",
        input_shadow_focus="0 0 0 3px rgba(221, 87, 48, 0.18)",
        input_shadow_focus_dark="0 0 0 3px rgba(236, 124, 88, 0.25)",
        button_primary_background_fill="*primary_600",
        button_primary_background_fill_hover="*primary_700",
        button_primary_background_fill_dark="*primary_600",
        button_primary_background_fill_hover_dark="*primary_500",
        button_primary_text_color="#ffffff",
        button_primary_border_color="transparent",
        button_secondary_background_fill="#ffffff",
        button_secondary_background_fill_hover="#f3f0ec",
        button_secondary_background_fill_dark="#23262b",
        button_secondary_background_fill_hover_dark="#2c3036",
        button_secondary_border_color="#dcd8d1",
        button_secondary_border_color_dark="#363a41",
        button_large_text_weight="600",
        checkbox_background_color_selected="*primary_600",
        checkbox_background_color_selected_dark="*primary_600",
        checkbox_border_color_selected="*primary_600",
        slider_color="*primary_600",
        slider_color_dark="*primary_500",
        accordion_text_color="*body_text_color",
        link_text_color="*primary_700",
        link_text_color_dark="*primary_400",
        color_accent_soft="*primary_100",
        color_accent_soft_dark="#3a2017",
    )

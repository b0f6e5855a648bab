"""The browser app; nothing outside this package imports gradio.

Importing the package sets what gradio reads once, when it is first imported.
"""

from __future__ import annotations

import os

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
os.environ.setdefault("GRADIO_ANALYTICS_CACHE_FREQUENCY", "1000000000")  # the summary costs 4 ms of CPU an event

"""Small worlds where the adversarial game can be seen: in one and two dimensions, and where the answer is known."""

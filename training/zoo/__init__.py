"""The models that come with the project: how each was made, as a table, and the command that makes it again."""

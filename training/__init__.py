"""The command line, the benchmarks and the recipes: users of the core, like the app."""

from playground.devices import calm_threads

calm_threads()

"""Run configs that ship with the package; `rasid.config.find_config` finds them by name."""

"""Models that ship with the package; `rasid.model.find_model` finds them by name."""

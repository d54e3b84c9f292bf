"""Where pictures come from and how they are kept: folders, public sets, drawings, cache."""

"""Migrations of the store, one file per released schema. See jaga.store._upgrade."""

"""The one YAML file, parsed once into small frozen pieces: every complaint at once, secrets out of sight."""

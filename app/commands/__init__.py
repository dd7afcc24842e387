"""The commands of `ai-studio`, one module per group. Each is a thin layer over `app.client`."""

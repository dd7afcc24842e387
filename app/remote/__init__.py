"""The parts of the REST client: transport, streams, and one module per noun. Scripts import `app.client`."""

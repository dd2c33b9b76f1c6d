"""How long a test waits for what must come: enough for a machine several times slower, since waiting costs nothing."""

PATIENCE_SECONDS = 120.0

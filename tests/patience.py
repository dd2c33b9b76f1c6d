"""How long a test waits for what must come: long enough for a machine ten times slower, since waiting costs nothing."""

PATIENCE_SECONDS = 300.0

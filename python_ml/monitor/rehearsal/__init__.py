"""Production rehearsed through history: at every feature time with what could be known then."""

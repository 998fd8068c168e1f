"""From owed to delivered: what is owed, in which order it goes, when, and how a call is made."""

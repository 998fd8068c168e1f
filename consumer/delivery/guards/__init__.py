"""The guards of a destination: circuit breakers, flood guard, poison detection, time window, directives."""

"""What keeps deliveries back: circuit breakers, flood guard, poison detection, time window, directives."""

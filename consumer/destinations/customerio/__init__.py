"""Customer.io Data Pipelines: what may be said to it, how its batches look, and what its answers mean."""

from consumer.destinations.customerio.destination import Customerio, CustomerioOptions
from consumer.destinations.customerio.journeys_limits import warnings

__all__ = ["Customerio", "CustomerioOptions", "warnings"]

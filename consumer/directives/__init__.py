"""What an operator may say while the service runs: a file of directives, re-read every second."""

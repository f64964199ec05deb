"""Paths that the middleware treats in a way of their own."""

# Load balancers request these all the time, perhaps by address, and from an address that they share with all visitors.
HEALTH_CHECKS = ("/healthz", "/readyz")
# … and a Prometheus asks for this. Its figures matter most while the database does not answer.
FOR_PROGRAMS = (*HEALTH_CHECKS, "/metrics")
STATIC_FILES = "/static/"

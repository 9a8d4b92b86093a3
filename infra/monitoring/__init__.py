"""What is measured, and when somebody is called: the files that Prometheus and Alertmanager read; pure, no cluster."""

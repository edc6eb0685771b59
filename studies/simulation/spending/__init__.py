"""What GPU-hours buy: designs of studies, their hours, and seeds that are planned."""

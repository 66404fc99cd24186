"""What RQ runs: the drain of the stream, the scan of outside rows, and the rest of the schedule. The app never imports it."""

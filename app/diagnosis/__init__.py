"""Diagnosis: what `flask doctor` looks at. Each check tells what it found and what to do."""

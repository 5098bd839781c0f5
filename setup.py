"""Build the one extension, otel_errsample._hot, from the fragments in ext/."""

from pathlib import Path

from setuptools import Extension, setup

# Fragments are textually included by the unit, so setuptools must be told that a change in one rebuilds it;
# being listed here also puts them into the sdist without a MANIFEST.in.
fragments = sorted(str(path) for path in Path("ext").glob("*.p[yx]*") if path.name != "_hot.pyx")

setup(
    ext_modules=[
        Extension(
            "otel_errsample._hot",
            sources=["ext/_hot.pyx"],
            depends=fragments,
            include_dirs=["ext"],
        )
    ]
)

"""How the package is installed; `requirements.lock` has the exact versions.

The metadata are here and not in `pyproject.toml`, because Beam workers install the package with this file (see
`setup_file` of `beam`), and a `[project]` table there would override it.
"""

from pathlib import Path

from setuptools import find_packages, setup

README = Path(__file__).with_name("README.md")
PACKAGES = ("tfrs_pipeline", "pipeline", "components", "serving", "dataplane", "models")

setup(
    name="tfrs-pipeline",
    version="0.1.0",
    description="Two-tower retrieval, from raw interactions to a served ScaNN index, as TFX-style components on Beam",
    long_description=README.read_text(encoding="utf-8") if README.exists() else "",
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    license_files=["LICENSE"],
    keywords=[
        "recommender system",
        "retrieval",
        "two-tower model",
        "approximate nearest neighbours",
        "TensorFlow",
        "TensorFlow Recommenders",
        "ScaNN",
        "Apache Beam",
        "TFX",
    ],
    packages=find_packages(include=[f"{name}*" for name in PACKAGES]),
    package_data={
        "": ["py.typed"],  # PEP 561; setuptools before 69 leaves the file out otherwise
        "serving.server": ["*.html"],
        "pipeline.reporting": ["templates/*", "templates/sections/*"],
        "tfrs_pipeline": ["templates/*"],
    },
    python_requires=">=3.11,<3.14",
    install_requires=[
        # ScaNN's op is compiled against one TensorFlow minor: these four move together or not at all.
        "tensorflow==2.20.*",
        "tf-keras==2.20.*",
        "tensorflow-recommenders==0.7.7",
        "scann[tf]==1.4.2",
        "tensorflow-serving-api==2.20.*",  # the protos of warm-up requests
        "apache-beam==2.77.*",
        "setuptools<82",  # TensorBoard 2.20 imports `pkg_resources`, which setuptools 82 removed
        "tensorflow-datasets==4.9.10",
        "importlib_resources",  # TensorFlow Datasets imports it when it downloads, without asking for it
        "tensorflow-metadata",
        "protobuf<7",
        "pyarrow",
        "numpy",
        "scipy",
        "pydantic>=2",
        "pyyaml",
        "rich",
        "jinja2",  # the report's page
        "shtab",  # completion in bash and zsh
        "packaging",  # versions that `doctor` compares
        "psutil",  # memory of a served model
        "xxhash",  # digests of artifacts and versions
    ],
    extras_require={
        "gcp": ["apache-beam[gcp]==2.77.*"],  # for Dataflow; gs:// needs nothing more
        "serving": [
            "starlette",
            "uvicorn",
            "uvloop",
            "httptools",
            "orjson",
            "prometheus-client",
            "grpcio-health-checking",  # the services themselves come with tensorflow-serving-api
        ],
        "benchmarks": ["faiss-cpu", "hnswlib", "implicit"],  # what is compared with
        "tune": ["optuna"],
        "gpu": ["tensorflow[and-cuda]==2.20.*"],  # NVIDIA's libraries; never run by us
        "report": ["vl-convert-python"],  # draws the charts of the report
        # The client that logs runs on a tracking server; Beam's extra `gcp` wants an older cachetools.
        "mlflow": ["mlflow-skinny", "cachetools<7"],
        # Not in the lock file: where pandas is installed, pyarrow and Beam import it into every process.
        "notebook": ["pandas", "ipykernel", "nbclient"],
        "dev": [
            "optuna",
            "vl-convert-python",
            "pyte",  # a terminal, for its picture
            "playwright",  # the report in Chromium, which is not installed with it
            "axe-playwright-python",  # what it says of accessibility
            "pytest",
            "pytest-cov",  # `make coverage`
            "pytest-xdist",
            "hypothesis",
            "openapi-spec-validator",
            "openlineage-python",  # checks the events of `lineage --openlineage`
            "moto[s3]",  # an S3-compatible store for the tests; flask and flask-cors are its server
            "flask",
            "flask-cors",
            "ruff",
            "mypy",
            "import-linter",
            "jsonschema",  # holds configurations against the schema for editors
            "types-jsonschema",
            "mkdocs-material",  # `make docs`
            "types-PyYAML",
            "polars",  # the reference of benchmarks/data_plane, which the tests run on little data
            "setuptools>=77",  # builds the editable install without a download
        ],
    },
    entry_points={
        "console_scripts": [
            "tfrs-pipeline = pipeline.cli:main",
            "tfrs-beam-worker = dataplane.beam_runner.worker:main",
        ]
    },
    classifiers=[
        "Development Status :: 4 - Beta",
        "Environment :: Console",
        "Intended Audience :: Developers",
        "Intended Audience :: Science/Research",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3 :: Only",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Typing :: Typed",
    ],
)

"""Pictures of every page in its main states: `make screens`. Add those of your page to the module of its noun."""

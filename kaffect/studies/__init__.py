"""The studies: what runs the experiments of the paper and reports them (Section V)."""

"""The packages in this folder are installed and tested in environments of their own."""

collect_ignore_glob = ["*"]

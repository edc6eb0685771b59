"""What every campaign needs: trials and their judgement, records, processes, folders."""

"""What a run leaves on disk: whole files, what decides its result, what proves it finished."""

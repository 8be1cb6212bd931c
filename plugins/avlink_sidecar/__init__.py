"""Files beside the media and the project: lists of media folders, prompts of clips, checksums of what was written."""

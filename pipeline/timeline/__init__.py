"""Who feels what when: a mined episode and a model's answers in; a timeline, subtitles and an annotated video out."""

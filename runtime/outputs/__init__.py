"""What is left of a run: the files of a source, pictures and videos, the timeline, one result.

`files` puts together what is wanted of a source, `begun` notes what a run is of, `continued` joins
it to one that was cut off, `pictures` writes videos and images, `curves` reads the timeline of a
finished run and `plotting` draws it, `one_result` writes a result by itself. Tables and subtitles
are `runtime.formats`.
"""

from runtime.outputs.files import SourceFiles, Wanted, all_written, cut_off, reopen

__all__ = ["SourceFiles", "Wanted", "all_written", "cut_off", "reopen"]

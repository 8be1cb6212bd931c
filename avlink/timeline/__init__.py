"""OTIO in, frozen values out, stems back in. Knows no tensor, opens no media file."""

from . import csv_files

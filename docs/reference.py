# Makes the reference of the API in FOLDER/html: reference.py DOXYGEN FOLDER VERSION. Fails at Doxygen's first warning.
import os
import subprocess
import sys

doxygen, folder, version = sys.argv[1:4]
here = os.path.dirname(os.path.abspath(__file__))
os.makedirs(folder, exist_ok=True)
done = subprocess.run([doxygen, here + "/Doxyfile"], stdin=subprocess.DEVNULL, check=False,
                      env={**os.environ, "WEFT_SOURCE": os.path.dirname(here), "WEFT_REFERENCE": folder, "WEFT_VERSION": version})
pages = sum(name.endswith(".html") for name in os.listdir(folder + "/html"))
print(f"{pages} pages in {folder}/html")
sys.exit(done.returncode or pages < 100)

-- GHC's threaded run-time: light threads on several capabilities, MVar, STM-like blocking, bound threads, timeouts,
-- async exceptions, signals, processes.
module Main where
import Control.Concurrent; import Control.Exception; import Control.Monad; import System.Timeout; import System.IO;
    import System.Exit
import Data.IORef; import System.Mem; import GHC.Conc (TVar, atomically, newTVarIO, readTVar, writeTVar, retry, STM)
fib :: Int -> Integer
fib n = if n < 2 then toInteger n else fib (n - 1) + fib (n - 2)
main :: IO ()
main = do
  hSetBuffering stdout LineBuffering
  done <- newEmptyMVar; n <- newMVar (0 :: Int)
  forM_ [1 .. 1000] $ \i -> forkIO $ do modifyMVar_ n (return . (+ i)); putMVar done ()
  replicateM_ 1000 (takeMVar done); readMVar n >>= \v -> putStrLn ("counted " ++ show v)
  forM_ [1 .. 20] $ \_ -> forkOS $ do threadDelay 1000; modifyMVar_ n (return . (+ 1)); putMVar done ()
  replicateM_ 20 (takeMVar done); readMVar n >>= \v -> putStrLn ("bound " ++ show v)
  t <- timeout 50000 (threadDelay 100000000); putStrLn ("timeout " ++ show t)
  r <- timeout 50000 (forever yield); putStrLn ("timeout of a loop " ++ show (r :: Maybe ()))
  tv <- newTVarIO (0 :: Int)
  forM_ [0 .. 3] $ \me -> forkIO $ do forM_ [1 .. 50] $ \_ -> atomically $ do { v <- readTVar tv;
      if v `mod` 4 == me then writeTVar tv (v + 1) else retry }; putMVar done ()
  replicateM_ 4 (takeMVar done); atomically (readTVar tv) >>= \v -> putStrLn ("turns " ++ show v)
  k <- newEmptyMVar
  a <- forkIO ((threadDelay 100000000) `catch` \e -> putMVar k (show (e :: AsyncException)))
  threadDelay 10000; killThread a; takeMVar k >>= \s -> putStrLn ("killed: " ++ s)
  rs <- forM [18 .. 25] $ \i -> do { v <- newEmptyMVar; _ <- forkIO (putMVar v $! fib i); return v }
  mapM takeMVar rs >>= \v -> putStrLn ("fib " ++ show v)
  performGC
  e <- try (newEmptyMVar >>= \m -> takeMVar (m :: MVar ())) ;
      putStrLn ("blocked " ++ either (\x -> show (x :: BlockedIndefinitelyOnMVar)) show e)
  c <- newChan; forM_ [1 .. 10] $ \i -> forkOn i (forM_ [1 .. 100] $ \j -> writeChan c (i * j));
      s <- sum <$> replicateM 1000 (readChan c); putStrLn ("channel " ++ show s)
  _ <- forkIO (threadDelay 100000000)
  exitWith (ExitFailure 3)
